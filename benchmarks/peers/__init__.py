"""What users would pick instead of our steps, used as their documentation advises, one program each."""
