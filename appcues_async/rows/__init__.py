"""What a user has, checked and made into what the API takes."""
