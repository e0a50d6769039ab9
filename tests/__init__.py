"""The tests of vpharness, and the plain twins that its fast code is compared with."""
