"""What is read is what was written: proofs over every kind of file."""
