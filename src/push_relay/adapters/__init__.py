"""The core's ports to the world: AWS, the vendor, the disk, the machine."""
