"""An experiment harness for order-book signals, and the live server its winners are promoted into."""
