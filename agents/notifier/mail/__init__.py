"""The notifier's e-mails: who gets one, what it says, and how it is sent."""
