"""Prints the steps of a start: ticks and seconds, live on a terminal, plain lines elsewhere."""

from rich.console import Console
from rich.status import Status

from kaito.local.supervisor import Step


class StepPrinter:
    """Takes steps as they happen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Status | None = None

    def __call__(self, step: Step) -> None:
        """Show one step."""
        if step.state == "started":
            if self._console.is_terminal:
                self._live = self._console.status(step.name)
                self._live.start()
            return
        if self._live is not None:
            self._live.stop()
            self._live = None
        if not step.name:
            return
        mark = "✓" if step.state == "done" else "✗"
        style = "green" if step.state == "done" else "red"
        self._console.print(f" [{style}]{mark}[/{style}] {step.name}  {step.seconds:.1f} s", highlight=False)
