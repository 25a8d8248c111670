"""What `cloudy doctor` tries, by where it is: at home and outside."""
