"""Dials: each is in the journal before the vendor is asked, and the unknown ones are looked for."""
