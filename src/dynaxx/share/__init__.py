"""What leaves: pages, pictures, reports, exports."""
