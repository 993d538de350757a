"""kaito's part in each of vLLM's processes: it calls this plugin of the group `vllm.general_plugins` there."""

from kaito.runtime.engine import cpu_lora, parent_death


def register() -> None:
    """Bind the process to its parent, and correct what runs in it."""
    parent_death.end_with_parent()
    cpu_lora.register()
