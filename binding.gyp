{
  "targets": [
    {
      "target_name": "medcoss",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/native/Release/medcoss.node"],
          "action": ["npm", "run", "build:native"]
        }
      ]
    }
  ]
}
