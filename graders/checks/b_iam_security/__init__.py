"""Checks of section B, IAM and security: every policy is attached, and the calls it is about are made."""
