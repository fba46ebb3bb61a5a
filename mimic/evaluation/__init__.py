"""What is measured of a performance beside its reward: errors, feet, motors, footfalls, pushes."""
