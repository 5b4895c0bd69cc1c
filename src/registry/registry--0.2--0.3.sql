-- registry: changes of its tables go into the change log.

SELECT steward.log_changes_of('steward.ai_system', 'AI system', 'name'),
       steward.log_changes_of('steward.model', 'model', 'name'),
       steward.log_changes_of('steward.model_version', 'model version', 'model,version');
