"""A user's data, checked and made into what the API takes."""
