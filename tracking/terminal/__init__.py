"""What people see of a search on their terminal while it runs."""
