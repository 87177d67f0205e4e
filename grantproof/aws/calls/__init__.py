"""The law, applied to calls: what each call asks, and the error with which its service refuses."""
