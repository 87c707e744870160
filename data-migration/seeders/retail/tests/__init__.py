"""Tests, each named by the rule it holds. Run by ``run.sh test``."""
