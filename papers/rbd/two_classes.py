"""Writes a table of two classes of different topology: python3 two_classes.py FILE.csv

Class 0 is a ring of radius 2 and deviation 0.15, class 1 four Gaussians of deviation 0.3 at
(+-2, +-2). Their mean log densities are -2.050 and -1.816 nats, together -1.933.
"""
import math
import random
import sys

random.seed(1)
with open(sys.argv[1], "w") as file:
    file.write("x,y,class\n")
    for row in range(20000):
        if row % 2 == 0:
            radius, angle = random.gauss(2.0, 0.15), random.uniform(0.0, 2.0 * math.pi)
            x, y = radius * math.cos(angle), radius * math.sin(angle)
        else:
            x = random.choice([-2.0, 2.0]) + random.gauss(0.0, 0.3)
            y = random.choice([-2.0, 2.0]) + random.gauss(0.0, 0.3)
        file.write(f"{x:.6f},{y:.6f},{row % 2}\n")
