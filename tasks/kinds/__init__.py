"""What jobs do: one module or package a family. Copy one to begin your own."""
