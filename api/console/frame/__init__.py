"""What all pages stand on: how they are rendered, served, filled in and sent on to the API."""
