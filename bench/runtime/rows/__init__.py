"""The rows of the runtime's table, one module each."""

from bench.rows.row import Row
from bench.runtime.device import Device
from bench.runtime.rows import chat, cost, lora, start


def rows(device: Device) -> dict[str, Row]:
    """Return the rows for a device, in the order of the table."""
    found = [
        *(cost.row(device, shape) for shape in device.shapes),
        chat.row(device, device.shapes[0]),
        start.row(device, device.shapes[0]),
        lora.row(device, device.adapted),
    ]
    return {row.name: row for row in found}
