"""A template, read without deploying: functions, conditions, parameters, transforms, and the place of every value."""
