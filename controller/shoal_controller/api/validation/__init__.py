"""What requests may say: checks that need nothing but the request itself."""
