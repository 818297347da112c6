"""The API's nouns: arguments become a request, the reply becomes a model, and no more."""
