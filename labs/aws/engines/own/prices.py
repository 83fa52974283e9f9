"""On-demand prices in US dollars, in us-east-1, as of 2026-11: what Cost Explorer multiplies and Pricing lists.

Pages: the pricing pages of Amazon EC2, EBS, VPC, Elastic Load Balancing, RDS, EKS and S3.  A selection; Linux, shared
tenancy; RDS for PostgreSQL in one zone.  Other regions cost the same here.
"""

from __future__ import annotations

HOURS_A_MONTH = 730.0

# instance type -> (USD an hour, vCPU, memory)
INSTANCES: dict[str, tuple[float, int, str]] = {
    "t2.micro": (0.0116, 1, "1 GiB"),
    "t3.nano": (0.0052, 2, "0.5 GiB"),
    "t3.micro": (0.0104, 2, "1 GiB"),
    "t3.small": (0.0208, 2, "2 GiB"),
    "t3.medium": (0.0416, 2, "4 GiB"),
    "t3.large": (0.0832, 2, "8 GiB"),
    "t3.xlarge": (0.1664, 4, "16 GiB"),
    "t4g.micro": (0.0084, 2, "1 GiB"),
    "t4g.small": (0.0168, 2, "2 GiB"),
    "t4g.medium": (0.0336, 2, "4 GiB"),
    "m5.large": (0.096, 2, "8 GiB"),
    "m5.xlarge": (0.192, 4, "16 GiB"),
    "m5.2xlarge": (0.384, 8, "32 GiB"),
    "m5.4xlarge": (0.768, 16, "64 GiB"),
    "m6i.large": (0.096, 2, "8 GiB"),
    "m6i.xlarge": (0.192, 4, "16 GiB"),
    "m6g.large": (0.077, 2, "8 GiB"),
    "m7g.large": (0.0816, 2, "8 GiB"),
    "m7i.large": (0.1008, 2, "8 GiB"),
    "c5.large": (0.085, 2, "4 GiB"),
    "c5.xlarge": (0.17, 4, "8 GiB"),
    "c6i.large": (0.085, 2, "4 GiB"),
    "c7g.large": (0.0725, 2, "4 GiB"),
    "r5.large": (0.126, 2, "16 GiB"),
    "r5.xlarge": (0.252, 4, "32 GiB"),
    "r6g.large": (0.1008, 2, "16 GiB"),
    "r6i.large": (0.126, 2, "16 GiB"),
}
# database class -> USD an hour
DATABASES = {
    "db.t3.micro": 0.018,
    "db.t3.small": 0.036,
    "db.t3.medium": 0.072,
    "db.t4g.micro": 0.016,
    "db.t4g.medium": 0.065,
    "db.m5.large": 0.178,
    "db.m5.xlarge": 0.356,
    "db.m6g.large": 0.159,
    "db.r5.large": 0.25,
    "db.r6g.large": 0.225,
}
# volume type -> USD a GB-month
VOLUMES = {"gp2": 0.10, "gp3": 0.08, "io1": 0.125, "io2": 0.125, "st1": 0.045, "sc1": 0.015, "standard": 0.05}
DATABASE_STORAGE = 0.115  # USD a GB-month
NAT_GATEWAY = 0.045  # USD an hour
LOAD_BALANCER = 0.0225  # USD an hour
CLUSTER = 0.10  # USD an hour
PUBLIC_ADDRESS = 0.005  # USD an hour
OBJECT_STORAGE = 0.023  # USD a GB-month, S3 Standard
REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-north-1": "EU (Stockholm)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ca-central-1": "Canada (Central)",
    "sa-east-1": "South America (Sao Paulo)",
}
