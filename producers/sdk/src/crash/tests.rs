pub(super) fn test_step() -> Option<fn(&str)> {
    None
}
