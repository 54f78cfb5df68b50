"""Image batches to boxes: one file per detector, `registry.build_detector` to choose one."""
