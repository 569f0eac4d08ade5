"""Which stage is at fault, whether stages correct or amplify what they receive, and what to change."""
