"""The permissions that each boto3 call needs, and the error with which its service refuses it."""
