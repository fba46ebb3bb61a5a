"""Gymnasium's tasks as environments of a learner, and the return of a policy in them."""
