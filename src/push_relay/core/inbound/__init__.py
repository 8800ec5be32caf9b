"""Read what a sender or AWS hands over: request, body, envelope."""
