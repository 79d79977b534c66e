"""Clients of OpenStack: from a clouds.yaml that `fungraph env` prints, by a token or by a password, to the functions' own catalog entry."""
import json
import os
import subprocess
import tempfile
import unittest

import keystoneauth1.exceptions
import openstack
from keystoneauth1 import session
from keystoneauth1.identity import v3

FUNCTIONS = {"service_type": "functiongraph", "interface": "public"}
PASSWORD = "correct horse battery"


def credentials():
    with open(os.environ["FUNGRAPH_CREDENTIALS"]) as file:
        return json.load(file)


def fungraph(*args, **more):
    folder = os.path.dirname(os.environ["FUNGRAPH_CREDENTIALS"])
    command = [os.environ["FUNGRAPH_PROGRAM"], *args, "--data-dir", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def connect(text, **more):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        config = openstack.config.OpenStackConfig(config_files=[file.name], secure_files=[], vendor_files=[])
        return openstack.connection.Connection(config=config.get_one("fungraph", **more))


class OpenStack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fungraph("user", "create", "ada", "--password", input=PASSWORD + "\n")
        fungraph("user", "grant", "ada", "reader", "--project", "local")

    def password_session(self, **more):
        known = credentials()
        given = dict(auth_url=known["endpoint"] + "/v3", username="ada", password=PASSWORD,
                     user_domain_name="default", project_name="local", project_domain_name="default")
        return session.Session(auth=v3.Password(**dict(given, **more)))

    def test_a_password_and_an_address_are_enough(self):
        ours = self.password_session()
        self.assertEqual(ours.get_project_id(), credentials()["project_id"])
        answer = ours.get("/fgs/functions", endpoint_filter=FUNCTIONS)
        self.assertEqual(answer.json()["count"], 0)
        expected = "%s/v2/%s" % (credentials()["endpoint"], credentials()["project_id"])
        self.assertEqual(ours.get_endpoint(**FUNCTIONS), expected)

    def test_a_reader_stays_one(self):
        with self.assertRaises(keystoneauth1.exceptions.Unauthorized):
            self.password_session().post("/fgs/functions", json={}, endpoint_filter=FUNCTIONS)

    def test_a_wrong_password_is_told_in_their_words(self):
        with self.assertRaises(keystoneauth1.exceptions.Unauthorized) as raised:
            self.password_session(password="wrong horse battery").get_token()
        self.assertIn("wrong, or counts no more", str(raised.exception))

    def test_a_clouds_yaml_with_a_token(self):
        cloud = connect(fungraph("env", "--format", "clouds"))
        answer = cloud.session.get("/fgs/functions", endpoint_filter=FUNCTIONS)
        self.assertEqual(answer.json()["count"], 0)
        self.assertEqual(cloud.current_project_id, credentials()["project_id"])

    def test_a_clouds_yaml_with_a_user(self):
        cloud = connect(fungraph("env", "--format", "clouds", "--user", "ada"), password=PASSWORD)
        answer = cloud.session.get("/fgs/functions", endpoint_filter=FUNCTIONS)
        self.assertEqual(answer.json()["count"], 0)
        self.assertEqual(cloud.session.auth.get_access(cloud.session).username, "ada")

    def test_the_projects_of_a_user(self):
        ours = self.password_session()
        projects = ours.get(credentials()["endpoint"] + "/v3/auth/projects").json()["projects"]
        self.assertEqual([project["name"] for project in projects], ["local"])

    def test_a_new_password_ends_the_session(self):
        ours = self.password_session()
        token = ours.get_token()
        fungraph("user", "passwd", "ada", input=PASSWORD + "\n")
        self.assertFalse(token == ours.get_token(None) and ours.get(
            "/fgs/functions", endpoint_filter=FUNCTIONS, headers={"X-Auth-Token": token}, authenticated=False,
            raise_exc=False).status_code == 200)
        # The client logs in anew by itself.
        self.assertEqual(ours.get("/fgs/functions", endpoint_filter=FUNCTIONS).status_code, 200)


if __name__ == "__main__":
    unittest.main()
