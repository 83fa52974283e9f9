"""Labs of section B, IAM and security."""
