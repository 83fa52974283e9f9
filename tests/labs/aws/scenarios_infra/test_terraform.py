"""Terraform's AWS provider against the gateway: apply, a second plan without changes, destroy.

The provider comes from wherever Terraform's own settings say (``TF_CLI_CONFIG_FILE``, a mirror, or the registry).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SERVICES = (
    "acm", "autoscaling", "cloudwatch", "ec2", "ecr", "eks", "elbv2", "iam", "kms", "logs", "rds", "route53", "s3",
    "sts",
)  # fmt: skip
CONFIGURATION = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {}
variable "bucket" {}

provider "aws" {
  region                      = "us-east-1"
  s3_use_path_style           = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  endpoints {
ENDPOINTS
  }
  default_tags {
    tags = { course = "mastery" }
  }
}

resource "aws_vpc" "main" {
  cidr_block           = "10.40.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = "main" }
}

resource "aws_subnet" "public" {
  count                   = 2
  vpc_id                  = aws_vpc.main.id
  cidr_block              = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
  availability_zone       = "us-east-1${count.index == 0 ? "a" : "b"}"
  map_public_ip_on_launch = true
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}

resource "aws_route_table_association" "public" {
  count          = 2
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.main.id
  service_name    = "com.amazonaws.us-east-1.s3"
  route_table_ids = [aws_route_table.public.id]
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_ami" "linux" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["al2023-ami-2023*-x86_64"]
  }
}

resource "aws_instance" "web" {
  ami                    = data.aws_ami.linux.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.public[0].id
  vpc_security_group_ids = [aws_security_group.web.id]
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  tags = { Name = "web" }
}

resource "aws_iam_role" "cluster" {
  name = "cluster"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "eks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_iam_role" "node" {
  name = "node"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_s3_bucket" "assets" {
  bucket        = var.bucket
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "assets" {
  bucket = aws_s3_bucket.assets.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_eks_cluster" "main" {
  name     = "main"
  role_arn = aws_iam_role.cluster.arn
  version  = "1.34"
  access_config {
    authentication_mode = "API"
  }
  vpc_config {
    subnet_ids = aws_subnet.public[*].id
  }
  depends_on = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_eks_node_group" "main" {
  cluster_name    = aws_eks_cluster.main.name
  node_group_name = "workers"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = aws_subnet.public[*].id
  scaling_config {
    desired_size = 2
    max_size     = 3
    min_size     = 1
  }
}

resource "aws_eks_addon" "cni" {
  cluster_name = aws_eks_cluster.main.name
  addon_name   = "vpc-cni"
}

resource "aws_ecr_repository" "shop" {
  name                 = "shop"
  image_tag_mutability = "IMMUTABLE"
}

resource "aws_lb" "main" {
  name               = "main"
  load_balancer_type = "application"
  subnets            = aws_subnet.public[*].id
  security_groups    = [aws_security_group.web.id]
}

resource "aws_lb_target_group" "web" {
  name     = "web"
  port     = 80
  protocol = "HTTP"
  vpc_id   = aws_vpc.main.id
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_route53_zone" "main" {
  name = "shop.example.com"
}

resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.shop.example.com"
  type    = "A"
  alias {
    name                   = aws_lb.main.dns_name
    zone_id                = aws_lb.main.zone_id
    evaluate_target_health = true
  }
}

output "cluster" {
  value = aws_eks_cluster.main.arn
}
"""


class Terraform:
    """Terraform in a folder, as one user of the gateway."""

    def __init__(self, program: str, folder: Path, cloud: Any) -> None:
        self.program, self.folder = program, folder
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": cloud.account.access_key_id,
            "AWS_SECRET_ACCESS_KEY": cloud.account.secret_access_key,
            "TF_VAR_endpoint": cloud.account.endpoint,
            "TF_VAR_bucket": f"assets-{cloud.number}",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def __call__(self, *arguments: str, expected: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *arguments, "-no-color"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode in expected, f"terraform {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def terraform(cloud: Any, tmp_path: Path) -> Terraform:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not installed")
    endpoints = "\n".join(f"    {service} = var.endpoint" for service in SERVICES)
    (tmp_path / "main.tf").write_text(CONFIGURATION.replace("ENDPOINTS", endpoints))
    made = Terraform(program, tmp_path, cloud)
    begun = made("init", "-input=false", expected=(0, 1))
    if "could not connect to registry.terraform.io" in begun.stderr:
        pytest.skip("no registry and no mirror has the aws provider: set TF_CLI_CONFIG_FILE")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    return made


@pytest.mark.long
@pytest.mark.timeout(900)
def test_apply_plan_and_destroy(cloud: Any, terraform: Terraform) -> None:
    terraform("apply", "-auto-approve", "-input=false")
    outputs = json.loads(terraform("output", "-json").stdout)
    assert outputs["cluster"]["value"] == cloud.arn("eks", "cluster/main")
    assert cloud.eks.describe_cluster(name="main")["cluster"]["version"] == "1.34"
    ours = [{"Name": "tag:course", "Values": ["mastery"]}]
    (reservation,) = cloud.ec2.describe_instances(Filters=ours)["Reservations"]
    assert reservation["Instances"][0]["MetadataOptions"]["HttpTokens"] == "required"
    plan = terraform("plan", "-detailed-exitcode", "-input=false", expected=(0, 2))
    assert plan.returncode == 0, plan.stdout
    cloud.ec2.create_tags(Resources=[reservation["Instances"][0]["InstanceId"]], Tags=[{"Key": "Name", "Value": "x"}])
    drift = terraform("plan", "-detailed-exitcode", "-input=false", expected=(0, 2))
    assert drift.returncode == 2, "a tag that was changed by hand is not seen"
    terraform("destroy", "-auto-approve", "-input=false")
    assert cloud.eks.list_clusters()["clusters"] == []
    assert cloud.ecr.describe_repositories()["repositories"] == []
    vpcs = cloud.ec2.describe_vpcs(Filters=[{"Name": "tag:course", "Values": ["mastery"]}])["Vpcs"]
    assert vpcs == []
    assert f"assets-{cloud.number}" not in [bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]]
    assert "cluster" not in [role["RoleName"] for role in cloud.iam.list_roles()["Roles"]]
