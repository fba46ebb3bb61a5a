"""Learning: policy, replay, returns, AWR and PPO, and the trainer. Knows environments only as `VecEnv`."""
