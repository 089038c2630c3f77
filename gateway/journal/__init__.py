"""The journal: one database for everything that must survive a crash. SQLite, or PostgreSQL for several sidecars.

This package imports nothing by itself: its modules take SQLAlchemy along, which start-up without a journal spares.
"""
