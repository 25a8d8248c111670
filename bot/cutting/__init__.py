"""How a stream of runs becomes parts. The door is bot/plan.py. Pure.

`writer` cuts what was decided to upload or copy into parts; `chain` decides about copies so short that their ends may
have to go to the uploads beside them; `stream` merges runs and feeds both; `segmented`, `equal` and `budget` are for
files and stores that would need too many parts, or want them alike.
"""
