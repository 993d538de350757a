"""The same workloads three times: on kaito.core, on kopf, and on Go's controller-runtime (`go/`)."""
