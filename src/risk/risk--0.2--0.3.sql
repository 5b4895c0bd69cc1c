-- risk: changes of its tables go into the change log.

SELECT steward.log_changes_of('steward.risk', 'risk', 'ref'),
       steward.log_changes_of('steward.risk_model', 'risk of model', 'risk,model');
