"""The pages that show the OpenAPI document, and try its routes."""
