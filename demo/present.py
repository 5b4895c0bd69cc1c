"""The story on the terminal: headlines, statements, aligned tables, checks.

Copyright (c) 2026, the pg_steward authors
"""

import os
import shutil
import sys
import textwrap

WIDTH = 96


class Failed(Exception):
    """A step did not show what the story says."""


class Story:
    """Prints the story (or, when quiet, only counts its checks) and keeps a
    plain copy of it in a file where one is named."""

    def __init__(self, quiet=False, copy_to=None):
        self.quiet = quiet
        self.copy = open(copy_to, "w", encoding="utf-8") if copy_to else None
        self.checks = 0
        self.steps = 0
        self.headline = ""
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")
        self.colour = (sys.stdout.isatty() and "NO_COLOR" not in os.environ
                       and os.environ.get("TERM", "dumb") != "dumb")
        self.width = WIDTH
        if sys.stdout.isatty():
            self.width = max(72, min(WIDTH, shutil.get_terminal_size().columns - 1))

    # ------------------------------------------------------------ output

    def _paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colour and text else text

    def _line(self, text="", code=None):
        if self.copy:
            self.copy.write(text + "\n")
        if not self.quiet:
            print(self._paint(text, code) if code else text, flush=True)

    def title(self, text, *below):
        """The story's name and what it is made of."""
        self._line()
        self._line(text, "1;36")
        for line in below:
            self._line(line, "2")

    def step(self, headline):
        """Open a step."""
        self.steps += 1
        self.headline = headline
        self._line()
        self._line(f"{self.steps:>2}  {headline}", "1")
        self._line("─" * self.width, "2")

    def say(self, text):
        """A sentence or two of prose."""
        for line in textwrap.wrap(" ".join(text.split()), self.width):
            self._line(line)

    def code(self, role, text):
        """A statement as the role would type it."""
        lines = textwrap.dedent(text).strip("\n").split("\n")
        for i, line in enumerate(lines):
            self._line((f"{role}> " if i == 0 else " " * (len(role) + 2)) + line, "36")

    def gap(self):
        """An empty line."""
        self._line()

    def table(self, headers, rows, wrap=(), right=()):
        """Rows under their headers; numbers, and the columns named in right,
        go right.  The columns named in wrap share what room the others leave."""
        text = [["" if v is None else self.format(v) for v in row] for row in rows]
        right = [h in right or all(isinstance(row[i], (int, float)) and not isinstance(row[i], bool)
                     for row in rows if row[i] is not None) and bool(rows)
                 for i, h in enumerate(headers)]
        widths = [max([len(h)] + [len(line) for row in text for line in row[i].split("\n")])
                  for i, h in enumerate(headers)]
        flexible = [headers.index(h) for h in wrap]
        if flexible:
            room = self.width - 2 - 2 * (len(headers) - 1) - sum(
                w for i, w in enumerate(widths) if i not in flexible)
            # shrink the widest of them until all fit; no word is broken
            least = {i: max([12, len(headers[i])] + [len(word) for row in text for word in row[i].split()])
                     for i in flexible}
            while sum(widths[i] for i in flexible) > room:
                shrinkable = [i for i in flexible if widths[i] > least[i]]
                if not shrinkable:
                    break
                widths[max(shrinkable, key=lambda i: widths[i])] -= 1
        self._row(headers, widths, right, "1")
        self._line("  " + "  ".join("─" * w for w in widths), "2")
        for row in text:
            cells = [sum((textwrap.wrap(part, widths[i], break_on_hyphens=False) or [""]
                          for part in cell.split("\n")), [])
                     for i, cell in enumerate(row)]
            for n in range(max(len(c) for c in cells)):
                self._row([c[n] if n < len(c) else "" for c in cells], widths, right)

    def _row(self, cells, widths, right, code=None):
        self._line(("  " + "  ".join(c.rjust(w) if r else c.ljust(w)
                                     for c, w, r in zip(cells, widths, right))).rstrip(), code)

    @staticmethod
    def format(value):
        """A value as a reader likes it."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, float):
            return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value))
        return str(value)

    # ------------------------------------------------------------ checks

    def check(self, sentence, holds, found=None):
        """State what this step shows; raise Failed where it does not."""
        if not holds:
            self._line(f"  ✗ {sentence}", "1;31")
            raise Failed(f"step {self.steps} ({self.headline}): not so: {sentence}"
                         + (f"; found {found!r}" if found is not None else ""))
        self.checks += 1
        for i, line in enumerate(textwrap.wrap(sentence, self.width - 4)):
            self._line(("  ✓ " if i == 0 else "    ") + line, "32")
