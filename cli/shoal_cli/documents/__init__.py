"""Objects as Docker's `inspect` shows them, made of the API's: the same names for what means the same. Pure."""
