"""How good the answer is: identity scores over cameras, scores per camera, links, and the worst errors."""
