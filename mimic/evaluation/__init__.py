"""Evaluate policies in episodes without training aids: returns, metrics, footfalls, push tests."""
