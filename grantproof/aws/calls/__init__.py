"""What each boto3 call asks of IAM, and the error with which its service refuses."""
