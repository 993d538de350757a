from kaito.runtime.config import inspect_hardware


def test_a_machine_is_described_without_importing_torch() -> None:
    hardware = inspect_hardware({})
    assert hardware.cores >= 1
    assert hardware.available_memory > 0


def test_the_target_device_decides_where_it_is_set() -> None:
    assert inspect_hardware({"VLLM_TARGET_DEVICE": "cuda"}).accelerator
    assert not inspect_hardware({"VLLM_TARGET_DEVICE": "cpu"}).accelerator


def test_hidden_devices_are_no_devices() -> None:
    assert not inspect_hardware({"CUDA_VISIBLE_DEVICES": ""}).accelerator
