"""Webhooks to applications: subscriptions, deliveries and how each is signed."""
