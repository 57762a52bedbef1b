"""A provider that speaks Razorpay's documented wire format."""
