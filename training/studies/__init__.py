"""The analyses of the two papers, each as one command that leaves a report (README.md beside this file)."""
