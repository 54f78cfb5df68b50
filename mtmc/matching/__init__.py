"""Linking tracklets across cameras: distances, gates, transit times, calibration, assignment."""
