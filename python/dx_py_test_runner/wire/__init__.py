"""What crosses process boundaries: frames, channels, the status page and the journal. The ground floor."""
